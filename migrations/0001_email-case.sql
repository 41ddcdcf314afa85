DROP INDEX `users_primary_email_unique`;--> statement-breakpoint
CREATE UNIQUE INDEX `users_primary_email` ON `users` (primary_email collate nocase);