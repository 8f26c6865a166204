-- Machines that were over long ago are looked for by their end, and taken away.
create index machines_expires on machines (expires);
