DROP INDEX `sessions_user_id`;--> statement-breakpoint
ALTER TABLE `sessions` ADD `visit_ip` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `visit_country` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `visit_city` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `visit_network` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `visit_user_agent` text;--> statement-breakpoint
CREATE INDEX `sessions_user_id_created_at` ON `sessions` (`user_id`,`created_at`) WHERE revoked_at is null;--> statement-breakpoint
ALTER TABLE `users` ADD `ended_before` integer;--> statement-breakpoint
ALTER TABLE `users` ADD `ended_except` text;