"""What a run is: its configuration, the plan that follows from it, its files, versions and cost."""
