DROP INDEX `allowed_places_expires_at`;--> statement-breakpoint
DROP INDEX `notifications_created_at`;--> statement-breakpoint
DROP INDEX `sessions_jti_unique`;--> statement-breakpoint
DROP INDEX `sessions_expires_at`;