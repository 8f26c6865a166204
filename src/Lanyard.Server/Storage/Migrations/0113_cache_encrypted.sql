-- Its bytes are encrypted at rest, with a key of its workspace; decided when it is reserved.
alter table cache_entries add column encrypted boolean not null default false;
