#pragma once
#include "fuzz.h"

/* Gives the input to the function that spec/fuzz/lua/NAME.lua returns; an error of it ends the
 * process. Each name has one state, kept from input to input. */
void fuzz_lua(const char *name, const uint8_t *data, size_t size);
