/* What the sanitizers ask a program for, linked into whatever is built with them. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__ubsan_default_options(void);
const char *__lsan_default_suppressions(void);

/* An allocation that is too large fails as it does without them. */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1";
}

/* A C module of Lua is unloaded with its state; what it still held for the process has no owner's
 * name by then. */
const char *__lsan_default_suppressions(void)
{
    return "leak:<unknown module>\n";
}
