CREATE TABLE `audit` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`actor` text NOT NULL,
	`action` text NOT NULL,
	`user_id` integer,
	`facts` text NOT NULL,
	`ip` text NOT NULL,
	`asn` integer,
	`country` text,
	`city` text,
	`user_agent` text
);
--> statement-breakpoint
CREATE INDEX `audit_user_id` ON `audit` (`user_id`);--> statement-breakpoint
CREATE INDEX `audit_actor` ON `audit` (`actor`);--> statement-breakpoint
CREATE INDEX `audit_at` ON `audit` (`at`);--> statement-breakpoint
CREATE TABLE `events` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`user_id` integer NOT NULL,
	`type` text NOT NULL,
	`at` integer NOT NULL,
	`sid` text,
	`reason` text,
	`facts` text NOT NULL,
	`ended_before` integer,
	`ended_except` text,
	`due_at` integer,
	`sent_at` integer
);
--> statement-breakpoint
CREATE INDEX `events_user_id` ON `events` (`user_id`);--> statement-breakpoint
CREATE INDEX `events_unsent` ON `events` (`user_id`) WHERE due_at is not null;--> statement-breakpoint
CREATE TABLE `past_sessions` (
	`id` integer PRIMARY KEY NOT NULL,
	`sid` text NOT NULL,
	`user_id` integer NOT NULL,
	`opened_at` integer NOT NULL,
	`last_used_at` integer NOT NULL,
	`expired_at` integer NOT NULL,
	`ended_at` integer,
	`end_reason` text,
	`country` text,
	`city` text,
	`network` text,
	`user_agent` text,
	`kept_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `past_sessions_user_id` ON `past_sessions` (`user_id`);--> statement-breakpoint
ALTER TABLE `users` ADD `external_id` text;--> statement-breakpoint
ALTER TABLE `users` ADD `own_claims` text;--> statement-breakpoint
CREATE UNIQUE INDEX `users_external_id` ON `users` (external_id) WHERE external_id is not null;--> statement-breakpoint
CREATE INDEX `sessions_ended_user_id` ON `sessions` (`user_id`) WHERE revoked_at is not null;