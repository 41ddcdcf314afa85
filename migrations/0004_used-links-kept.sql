-- The links that were used until now stay used: 0005 drops the columns that said so.
INSERT INTO `used_links` (`notice_id`, `purpose`, `used_at`)
SELECT `id`, 'end_sessions', `sessions_ended_at` FROM `notifications` WHERE `sessions_ended_at` IS NOT NULL;--> statement-breakpoint
INSERT INTO `used_links` (`notice_id`, `purpose`, `used_at`)
SELECT `id`, 'allow_place', `place_allowed_at` FROM `notifications` WHERE `place_allowed_at` IS NOT NULL;
