// The numbers of the zip format that reader and writer share (PKWARE's APPNOTE 6.3; all integers little-endian).

export const localHeader = { signature: 0x04034b50, length: 30 } as const;
export const centralHeader = { signature: 0x02014b50, length: 46 } as const;
export const endRecord = { signature: 0x06054b50, length: 22 } as const;
export const end64Record = { signature: 0x06064b50, length: 56 } as const;
export const end64Locator = { signature: 0x07064b50, length: 20 } as const;
export const dataDescriptor = { signature: 0x08074b50, length32: 16, length64: 24 } as const;

export const zip64ExtraId = 0x0001;

/** A field of this value has its real one in the zip64 record or extra field. */
export const saturated32 = 0xffffffff;
export const saturated16 = 0xffff;

export const flags = { encrypted: 1 << 0, descriptor: 1 << 3, strongEncryption: 1 << 6, utf8: 1 << 11 } as const;
export const method = { stored: 0, deflated: 8 } as const;
