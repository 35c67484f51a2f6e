"""How the console writes times: sortable, to the second, the same everywhere.

Django takes a language's own formats before those of the settings (FORMAT_MODULE_PATH).
"""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"
