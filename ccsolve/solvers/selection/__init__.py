"""Methods of `ChannelSelection`: one file each, one public ``solve``."""
