"""Methods of ReconstructionSelection, one file each."""
