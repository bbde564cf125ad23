"""The local API: JSON over HTTP/1.1 on a Unix socket that only the agent's own user can open.

What is asked and answered is data; who serves a path brings its routes. Nothing here decides or touches a device.
"""
