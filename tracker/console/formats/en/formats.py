"""The console's format of times: sortable, to the second, the same everywhere.

Django prefers a language's formats to those of the settings (FORMAT_MODULE_PATH).
"""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"
