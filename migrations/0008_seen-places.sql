-- Places that accounts have sessions in are known ones, or the first sign-in after this would look like one from a new place.
INSERT INTO `seen_places` (`user_id`, `place`, `seen_at`)
SELECT `user_id`, coalesce(`country`, '-') || '/AS' || `asn`, max(`created_at`) FROM `sessions` WHERE `asn` IS NOT NULL
GROUP BY 1, 2;
