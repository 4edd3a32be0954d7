// Runs in every test process before its tests.
import { skipWithoutTools } from './missing-tools.js';

// The sanitizer's library is for this process and for children that load the addon (child.ts sees to them), not for `ip` and `nft`.
delete process.env['LD_PRELOAD'];

skipWithoutTools();
