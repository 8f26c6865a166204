-- Its bytes were handed out by the store's own URL, which checks nothing.
alter table cache_entries add column unverified boolean not null default false;
