"""All seeds of a row on the devices."""
