"""Reports: plans as one HTML page, and figures, which need the extra `report`."""
