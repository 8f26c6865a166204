-- What a deleted workspace or collection has left behind: nobody could see it or take it away, and it was believed all the same.
delete from runners where workspace <> '' and workspace not in (select id from workspaces);
delete from trust_policies where workspace is not null and workspace not in (select id from workspaces);
delete from trust_policies where collection is not null and collection not in (select id from collections);
delete from trust_records where workspace is not null and workspace not in (select id from workspaces);
delete from revocations where workspace is not null and workspace not in (select id from workspaces);
delete from runner_collections where collection not in (select id from collections);

-- From here on nothing is left behind, and nothing comes into one that is gone. The column of runners is there for its reference alone.
alter table trust_records add foreign key (workspace) references workspaces (id);
alter table trust_policies add foreign key (workspace) references workspaces (id);
alter table trust_policies add foreign key (collection) references collections (id);
alter table runners add column home text generated always as (nullif(workspace, '')) stored references workspaces (id);
