#pragma once
/* Where the product's own files are: the folder that holds lua/ and plugins/. */

/* $MOONGATE_HOME, else ../share/moongate beside the binary, else the tree it was built from. Owned
 * by the caller (gw_free()). NULL when none holds lua/moongate: a text for the operator was
 * written. */
char *gw_home_find(void);

/* The configuration to use: `written` (-c), else ./moongate.yaml, else /etc/moongate/moongate.yaml,
 * as it was named. Owned by the caller. NULL when there is none: a text for the operator was
 * written. */
char *gw_home_config(const char *written);
