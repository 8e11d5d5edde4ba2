"""The steps of the first task: read, settle repeats, regroup, stage; and the journal of the rows that end there."""
