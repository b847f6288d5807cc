"""The demo world: everything wellgate needs to be seen and tested on one machine, without hardware."""
