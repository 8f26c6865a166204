-- A planner that knows nothing of a new table took this one for an entry's name, and read all of a repository for it. As an expression it is good for counting only.
drop index cache_entries_created;
create index cache_entries_created on cache_entries ((workspace || '/' || repository), created);

-- cache_entries_workspace serves as well.
drop index cache_entries_used;
