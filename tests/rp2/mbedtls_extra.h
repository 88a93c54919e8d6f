// Whether it is included is tested; it says nothing.
