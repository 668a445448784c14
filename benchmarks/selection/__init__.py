"""Channel selection against its peers: instances, scorer and competitors apart."""
