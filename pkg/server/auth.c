#include "server/internal.h"
void auth_decide(struct exchange *x, bool now)
{
	(void)now;
	x->known = true;
}
