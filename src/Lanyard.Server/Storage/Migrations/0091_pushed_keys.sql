-- Of a record whose cluster pushes its keys: the last accepted push and the keys that leave, each until when; jwks is what is trusted now.
alter table key_sets add column pushed text;
