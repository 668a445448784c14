"""Programs to measure on: public files, real networks, seeded families."""
