"""What frames every page: navigation, jobs, cards, states."""
