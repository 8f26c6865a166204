-- What a list shows without reading the document, and which step numbers there are.
alter table runs add column definition_slug text not null default '';
alter table runs add column step_count bigint not null default 0;
