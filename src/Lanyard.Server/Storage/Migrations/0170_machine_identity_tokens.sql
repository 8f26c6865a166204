-- identity: id of the machine identity (mid_) by which the host proved itself; null where somebody registered the machine.
alter table machines add column identity text;
