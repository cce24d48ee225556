"""What an instrument is: parameters, patches, preset files, hosts and what else it may offer."""
