ALTER TABLE `sessions` ADD `bound_key` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `bound_by` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `bound_proof` text;