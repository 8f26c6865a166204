-- What a workspace has uploaded and not finalised is summed up. As an expression the index is good for that only: planners that know nothing of a new table would else take it
-- for an entry's name.
create index cache_entries_unfinished on cache_entries ((workspace || '/')) where state = 'pending';
