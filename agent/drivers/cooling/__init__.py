"""Cooling units: what drives a coolant loop, read and set over Modbus TCP. One unit's map, one file of data."""
