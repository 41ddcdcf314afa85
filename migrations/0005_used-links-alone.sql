ALTER TABLE `notifications` DROP COLUMN `sessions_ended_at`;--> statement-breakpoint
ALTER TABLE `notifications` DROP COLUMN `place_allowed_at`;