"""What a load test needs around k6: servers, faults, and a look at what is there when it is over."""
