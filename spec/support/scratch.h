#pragma once
/* One folder in /tmp for all that a run of specs writes. It goes when the run ends; that of a run that was killed goes
 * when the next one begins, because its lock went with the process. */

/* Makes it, and sets TMPDIR for what the specs start. */
const char *spec_scratch_open(void);

void spec_scratch_close(void);
