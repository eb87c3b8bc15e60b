#ifndef SPOT_OPTIMIZER_CCURL_SHIM_H
#define SPOT_OPTIMIZER_CCURL_SHIM_H

#include <curl/curl.h>

#endif
