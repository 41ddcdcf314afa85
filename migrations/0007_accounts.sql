CREATE TABLE `address_changes` (
	`notice_id` text PRIMARY KEY NOT NULL,
	`user_id` integer NOT NULL,
	`former_email` text NOT NULL,
	`changed_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `address_changes_user_id` ON `address_changes` (`user_id`);--> statement-breakpoint
CREATE TABLE `attempts` (
	`subject` text NOT NULL,
	`topic` text NOT NULL,
	`count` integer NOT NULL,
	`since` integer NOT NULL,
	`at` integer NOT NULL,
	`waits_until` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`subject`, `topic`)
);
--> statement-breakpoint
CREATE TABLE `registrations` (
	`id` text PRIMARY KEY NOT NULL,
	`email` text NOT NULL,
	`password_hash` text NOT NULL,
	`language` text,
	`time_zone` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `registrations_email` ON `registrations` (`email`);--> statement-breakpoint
CREATE TABLE `seen_places` (
	`user_id` integer NOT NULL,
	`place` text NOT NULL,
	`seen_at` integer NOT NULL,
	PRIMARY KEY(`user_id`, `place`)
);
--> statement-breakpoint
ALTER TABLE `notifications` ADD `language` text;--> statement-breakpoint
ALTER TABLE `notifications` ADD `time_zone` text;--> statement-breakpoint
ALTER TABLE `notifications` ADD `credentials_version` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `users` ADD `credentials_version` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `users` ADD `language` text;--> statement-breakpoint
ALTER TABLE `users` ADD `time_zone` text;--> statement-breakpoint
ALTER TABLE `users` ADD `left_at` integer;