CREATE TABLE `used_links` (
	`notice_id` text NOT NULL,
	`purpose` text NOT NULL,
	`used_at` integer NOT NULL,
	PRIMARY KEY(`notice_id`, `purpose`)
);
