"""Lower bounds of low-rank fits, from the spectra of the tensor's unfoldings."""
