"""Methods of NetworkSelection, one module each, with one public ``solve``."""
