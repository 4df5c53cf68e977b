#pragma once
/* Where the admin socket of a configuration lives, so that `moongate reload` finds the process from
 * -c alone. */
#include "base/slice.h"

/* "unix:/run/moongate/0f3a….sock" into `out`, from the path of the configuration. `make`: the
 * folder is made (0700) where we choose it. False, with a text for the operator in `why`, when it
 * cannot be, belongs to someone else or is too long for a socket. */
bool gw_runtime_socket(const char *config_path, bool make, char *out, size_t size, char *why,
                       size_t why_size);

/* Makes the folder as we would choose it, and names it in the environment for processes that run as
 * somebody else. */
bool gw_runtime_share(char *why, size_t why_size);
