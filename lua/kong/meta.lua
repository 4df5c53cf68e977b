--- The version of Kong whose PDK plugins find here.
return { version = "3.9.0", version_num = 3009000, _VERSION = "3.9.0", _NAME = "kong" }
