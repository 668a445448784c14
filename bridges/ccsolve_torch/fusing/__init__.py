"""Dynamic-coded filter fusion while a network is trained: its layers and groups."""
