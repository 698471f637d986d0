"""The shell: the only place with tasks, queues, clocks, files, processes and signals."""
