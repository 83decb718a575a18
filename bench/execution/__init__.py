"""Where trainings and evaluations run: in this process, or as Ray tasks on one machine or many."""
