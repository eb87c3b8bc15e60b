#ifndef SPOT_OPTIMIZER_CMICROHTTPD_SHIM_H
#define SPOT_OPTIMIZER_CMICROHTTPD_SHIM_H

#include <microhttpd.h>

#endif
