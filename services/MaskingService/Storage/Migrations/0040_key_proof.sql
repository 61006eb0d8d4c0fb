-- What the proof of a key counts beside what a rotation works on.
GRANT SELECT (key_id) ON erasures TO pii_rotator;
